"""The conformance kit: what must hold of a method or a model, found by short runs (``sparsebench doctor``)."""
