"""Options, files, numbers and processes that several commands share."""
