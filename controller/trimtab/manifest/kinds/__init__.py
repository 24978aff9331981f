"""The document kinds that Trimtab reads, as pydantic models; JSON Schema and CRDs are made from them."""
