"""The networks that finished runs leave: how they are packed, kept and loaded.

A run that is done leaves ``OUTPUT/networks/KEY.safetensors``. Any reader of safetensors opens it. It holds

- under the name of a masked weight, its active values in row-major order, of shape (active,);
- under ``mask/NAME``, the mask of that weight as bytes (`harness.networks.masks`);
- under every other name, a tensor as it is: biases, statistics of batch normalisation, layers without a mask;
- in the metadata, ``about`` (which run it is of), ``masks`` (shape and coding of each), ``parts`` (packed parameters
  that are kept in pieces, joined along the first dimension) and ``tied`` (names that share a weight kept under
  another), all JSON, and the ``format`` and its ``version``.

Weights outside the masks are zero and are not stored. `harness.networks.load` makes a model of the file; the rest needs
no torch.
"""
