"""Pages outside of the floor itself: they stand alone, need no script, no ledger and no badge."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from starlette.responses import HTMLResponse

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
}
#: How often a page that waits for the ledger is loaded again, in seconds.
AGAIN_SECONDS = 5


def page(title: str, content: str, status: int = 200) -> HTMLResponse:
    """A page of our look; `content` is HTML."""
    shown = _PAGE.replace("{title}", escape(title)).replace("{content}", content)
    return HTMLResponse(shown, status, headers=HEADERS)


def away() -> HTMLResponse:
    """What is shown while the ledger does not answer; it comes back to the page that was asked for."""
    answer = page(
        "The ledger does not answer",
        "<main><h1>The ledger does not answer</h1>"
        '<p role="alert">Nothing can be shown while PostgreSQL is away.'
        " Jobs that run go on; nothing that was accepted is lost.</p>"
        "<p>This page tries again every few seconds. <code>hms check</code> says more.</p></main>",
        503,
    )
    answer.headers.update({"Retry-After": str(AGAIN_SECONDS), "Refresh": str(AGAIN_SECONDS)})
    return answer


def sign_in(where: str, fault: str = "", status: int = 200, *, provider: str | None = None) -> HTMLResponse:
    """The form that a badge is shown at, with the way to a provider if there is one.

    It leads to `where` afterwards.
    """
    alert = f'<p role="alert">{escape(fault)}</p>' if fault else ""
    other = _PROVIDER.format(name=escape(provider), next=quote(where)) if provider else ""
    content = _SIGN_IN.replace("{fault}", alert).replace("{provider}", other)
    return page("Sign in", content.replace("{next}", escape(where, quote=True)), status)


def entering(address: str) -> HTMLResponse:
    """What leads to the floor after a provider has sent somebody here.

    A redirect would be a part of the provider's: the browser would not show the badge to it.
    """
    answer = page("Signed in", f'<main><h1>Signed in</h1><a href="{escape(address)}">Go on</a></main>')
    answer.headers["Refresh"] = f"0; url={quote(address, safe=_OF_AN_ADDRESS)}"
    return answer


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - Operations floor</title>
<style>
:root { color-scheme: light dark;
  --ink: #1c2733; --paper: #f4f6f8; --card: #fff; --line: #7d8a97; --act: #0b5cad }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf0; --paper: #11171d; --card: #1a222b; --line: #7d8a97; --act: #1f6fc0 } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { background: var(--card); padding: 2rem; border-radius: 10px; width: min(26rem, 88vw);
  box-shadow: 0 1px 4px #0003; box-sizing: border-box }
h1 { font-size: 1.3rem; margin: 0 0 .3rem } p { margin: 0 0 1rem }
label { display: block; font-weight: 600; margin-bottom: .3rem }
textarea { width: 100%; box-sizing: border-box; height: 6.5rem; font: 13px/1.4 ui-monospace, monospace;
  border: 1px solid var(--line); border-radius: 6px; padding: .5rem; background: transparent; color: inherit }
button { margin-top: 1rem; width: 100%; padding: .7rem; font: inherit; font-weight: 600; color: #fff;
  background: var(--act); border: 0; border-radius: 6px; cursor: pointer }
.provider { display: block; padding: .7rem; text-align: center; font-weight: 600; color: #fff;
  background: var(--act); border-radius: 6px; text-decoration: none }
.or { text-align: center; margin: 0 0 .5rem }
[role=alert] { background: #b3261e; color: #fff; padding: .5rem .7rem; border-radius: 6px }
code { font: 13px ui-monospace, monospace }
</style>
{content}
</html>
"""
_OF_AN_ADDRESS = "/?&=%:;,+#~!*'()@$"
_PROVIDER = """<p><a class="provider" href="sign-in?next={next}">Sign in with {name}</a></p>
<p class="or">or</p>
"""
_SIGN_IN = """<main><form method="post" action="enter">
<h1>Operations floor</h1>
{fault}
{provider}
<p>Sign in with your badge.</p>
<label for="badge">Badge</label>
<textarea id="badge" name="badge" required autofocus autocomplete="off" spellcheck="false"
  aria-describedby="hint"></textarea>
<input type="hidden" name="next" value="{next}">
<button>Sign in</button>
<p id="hint" style="margin:1rem 0 0;font-size:.9rem">A manager makes one with
<code>hms badge issue --actor you@example.gov --role viewer</code>.</p>
</form></main>
"""
