"""The verbs that people type, a module for each group. A module is imported when its verb is called."""
