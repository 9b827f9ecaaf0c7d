"""The checker of submissions: what is wrong with a record, found from the record and its neighbours alone."""
