"""`qec rare`: logical error rates below the reach of direct sampling."""
