"""Documents that a retriever found or a reranker ordered, and vectors that an embedding model made."""

from __future__ import annotations

from typing import Any, Final, TypedDict


class Document(TypedDict, total=False):
    """One document. `content` is its text; `score` is whatever the retriever ranks by, higher meaning closer."""

    id: str
    content: str
    score: float
    metadata: dict[str, Any]


class Embedding(TypedDict, total=False):
    """One embedded text. `vector` is there when vectors are kept, `vector_hash` when only their hash is."""

    text: str
    vector: list[float]
    vector_hash: str


_TEXT_KEYS: Final = ("page_content", "content", "text", "chunk", "body", "document")
_ID_KEYS: Final = ("id", "id_", "doc_id", "document_id", "node_id", "_id")
_SCORE_KEYS: Final = ("score", "relevance_score", "similarity", "_score")
_METADATA_KEYS: Final = ("metadata", "meta", "extra_info")
_HOLDERS: Final = ("documents", "docs", "nodes", "source_nodes", "results", "matches", "hits", "chunks")


def read_documents(tree: object) -> list[Document] | None:
    """Read the documents out of a retriever's result; None when there is nothing that looks like one.

    Understands texts, dictionaries, the stored fields of LangChain documents and LlamaIndex nodes, `(document, score)`
    pairs, and dictionaries that hold such a list under a usual name.

    >>> read_documents([["Paris is in France.", 0.9]])
    [{'content': 'Paris is in France.', 'score': 0.9}]
    """
    if isinstance(tree, dict):
        for key in _HOLDERS:
            if isinstance(tree.get(key), list):
                return read_documents(tree[key])
        document = read_document(tree)
        return [document] if document else None
    if isinstance(tree, str):
        return [{"content": tree}]
    if not isinstance(tree, list):
        return None
    documents = [read_document(item) for item in tree]
    found = [document for document in documents if document is not None]
    return found if found or not tree else None


def read_document(tree: object) -> Document | None:
    """Read one document; None when it has no text."""
    if isinstance(tree, str):
        return {"content": tree}
    if isinstance(tree, list):
        return _read_pair(tree)
    if not isinstance(tree, dict):
        return None
    node = tree.get("node")
    if isinstance(node, dict):
        return _with_score(read_document(node), tree)
    text = _text_of(tree)
    if text is None:
        return None
    document: Document = {}
    identity = _first(tree, _ID_KEYS)
    if isinstance(identity, str | int) and not isinstance(identity, bool):
        document["id"] = str(identity)
    document["content"] = text
    metadata = _first(tree, _METADATA_KEYS)
    if isinstance(metadata, dict) and metadata:
        document["metadata"] = metadata
    return _with_score(_with_score(document, metadata), tree)


def _read_pair(pair: list[Any]) -> Document | None:
    if len(pair) == 2 and _is_number(pair[1]) and not _is_number(pair[0]):
        return _with_score(read_document(pair[0]), {"score": pair[1]})
    return None


def _with_score(document: Document | None, source: object) -> Document | None:
    if document is not None and isinstance(source, dict):
        score = _first(source, _SCORE_KEYS)
        if _is_number(score):
            document["score"] = float(score)
    return document


def _text_of(tree: dict[str, Any]) -> str | None:
    for key in _TEXT_KEYS:
        if isinstance(tree.get(key), str):
            return str(tree[key])
    for key in ("text_resource", "page", "document"):
        nested = tree.get(key)
        if isinstance(nested, dict):
            return _text_of(nested)
    return None


def _first(tree: dict[str, Any], keys: tuple[str, ...]) -> Any:
    for key in keys:
        if tree.get(key) is not None:
            return tree[key]
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_vectors(tree: object) -> list[list[float]] | None:
    """Read one vector, a list of vectors, or the `data` of an embeddings response; None when there is none.

    Texts among them stand for what was cut, and are passed over.

    >>> read_vectors([0.1, 0.2])
    [[0.1, 0.2]]
    """
    if isinstance(tree, dict):
        for key in ("embeddings", "data", "embedding", "vectors", "vector"):
            if key in tree:
                return read_vectors(tree[key])
        return None
    if not isinstance(tree, list):
        return None
    items = [item for item in tree if not isinstance(item, str)]
    if not items:
        return None
    if _is_number(items[0]):
        return [items] if all(map(_is_number, items)) else None
    vectors = [read_vectors(item) for item in items]
    return [one[0] for one in vectors if one] if all(vectors) else None
