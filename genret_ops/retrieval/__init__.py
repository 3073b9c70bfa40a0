"""From a query to accounted hits.

query_plan.py reads the query, index.py scores words and knows attributes, artifacts.py opens the model of a release,
features.py and fusion.py weigh what the rankers say and the questions of labelled.py, reranking.py what first hits and
the graph of neighbours.py add to it, ranking.py makes one list of it, retriever.py does all of this for a search, and
explain.py shows what came out. index_cache.py keeps an index as files. Nothing here knows the registry.
"""
