//! Empty on purpose; see the README beside it.
