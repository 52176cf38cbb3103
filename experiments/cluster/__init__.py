"""Work shared among the workers of a dask cluster."""
