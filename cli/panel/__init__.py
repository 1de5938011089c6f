"""The live panel of a running suite, and the state that it and `gantry status` show."""
