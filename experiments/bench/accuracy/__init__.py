"""`qec bench accuracy`: logical errors against decoding time."""
