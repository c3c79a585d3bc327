"""Where frames and sound come from; one module each, opened when used."""
