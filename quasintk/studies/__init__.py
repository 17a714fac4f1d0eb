"""Studies: whole computations on real data, each a module that runs by itself."""
