"""Publishing: a folder of results for others, and its upload to the Hugging Face Hub.

A publication holds the records as they are, the same as Parquet tables, the networks that the records name, the board
of these records, a card, and `folder.FILE`, which lists every file with its hash. `contents` says what of an output
belongs to it, `folder` writes it, `hub` uploads it.
"""
