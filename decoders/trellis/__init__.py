"""The likeliest logical class by a beam over error mechanisms."""
