//! Nothing of its own: the examples stand beside this file.
