"""What the services mean by a plate, a force and a camera. Pure: no network, no database, no settings."""
