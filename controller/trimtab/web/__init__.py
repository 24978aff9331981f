"""The HTTP side: health, metrics, the read side of the API and a plain status page. The only importer of FastAPI.

asyncio lives here and nowhere else; everything that is asked of the core runs in a few threads.
"""
