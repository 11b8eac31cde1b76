"""Bytes by signed links: `GET /files/{key}` answers results and inputs, `PUT` takes an upload.

Links carry their own right (`?exp=&sig=`), so a video can be opened in a player, embedded in a page or fetched by a
client that sends no key. A wrong or missing signature is 403, a file that is not there 404, one whose
time is over 410.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from rushes.core.errors import FileGone, RushesError, UnknownRequest
from rushes.files import FILES, Files
from rushes.server.body import read_body

_HEADERS = {
    "cache-control": "private, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
    "access-control-allow-origin": "*",
}


def file_routes(files: Files) -> list[Route]:
    async def get(request: Request) -> Response:
        key = request.path_params["key"]
        if not _signed(files, request, "GET"):
            return _refusal(403, "this link is not valid or has run out; poll the request for a fresh one")
        try:
            file = await run_in_threadpool(files.open, key)
            found = await run_in_threadpool(file.path.stat)
        except FileGone as gone:
            return _refusal(410, str(gone))
        except (UnknownRequest, FileNotFoundError):
            return _refusal(404, "there is no such file")
        answer = FileResponse(
            file.path,
            media_type=file.content_type,
            headers=_HEADERS,
            content_disposition_type="inline",
            stat_result=found,
        )
        if _known(request.headers.get("if-none-match", ""), answer.headers["etag"]):
            return Response(status_code=304, headers={**_HEADERS, "etag": answer.headers["etag"]})
        return answer

    async def put(request: Request) -> Response:
        if not _signed(files, request, "PUT"):
            return _refusal(403, "this upload link is not valid or has run out; ask for a new one")
        try:
            data = await read_body(request, files.upload_limit)
            await run_in_threadpool(files.take_upload, request.path_params["key"], data)
        except RushesError as error:
            return _refusal(error.status_hint, str(error))
        return Response(status_code=200)

    return [
        Route(FILES + "{key:path}", get, methods=["GET", "HEAD"]),
        Route(FILES + "{key:path}", put, methods=["PUT"]),
    ]


def _known(tags: str, tag: str) -> bool:
    """Whether the client's copy, by the tags it names, is the file as it is."""
    return tag in (word.strip().removeprefix("W/") for word in tags.split(","))


def _signed(files: Files, request: Request, method: str) -> bool:
    query = request.query_params
    path = FILES + request.path_params["key"]
    return files.check_link(method, path, query.get("exp", ""), query.get("sig", ""))


def _refusal(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status)
