"""`qec bench codes`: logical errors on many code families and on random models."""
