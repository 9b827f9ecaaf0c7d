"""Records: their schema, validation, identity, and the folder that they are kept in."""
