"""YouTube's player script, of the size and shape of a real one, and what it makes of a challenge. Pure.

yt-dlp's challenge solver (yt-dlp-ejs) parses the script, keeps the assignments of its one big function, and
looks for a function with the statement `x.set("alr", "yes")`: called with a URL, "s" and a signature, it must
return an object with `set`, `get` and one more method that transforms the parameter `n`. Around it a real
script has 2.5 MB of other statements, which cost the solver seconds of CPU and 300 MB of memory; ours has the
JavaScript of packages that are installed anyway.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from functools import cache
from itertools import cycle

from .youtube_data import STS

_PACKAGES = ("flask-swagger-ui", "yt-dlp-ejs")  # of the service's own dependencies, those with JavaScript
_REAL = 2_600_000  # bytes: two seconds of CPU and 280 MB for the solver, as a recorded script of 2.5 MB


@dataclass(frozen=True, slots=True)
class Player:
    """One release of the player: each has a script of its own, which solves in its own way."""

    release: int

    @property
    def id(self) -> str:
        return f"{self.release:08x}"

    @classmethod
    def of(cls, path: str) -> Player | None:
        """The one whose script is at `path`: /s/player/ID/…, or None."""
        try:
            return cls(int(path.split("/")[3], 16))
        except (IndexError, ValueError):
            return None

    def solve_n(self, challenge: str) -> str:
        """What the script makes of an `n`: a test compares it with the URLs that come out."""
        turned = challenge[self._shift :] + challenge[: self._shift]
        return _swapped(turned[::-1], self._swap)

    def solve_signature(self, scrambled: str) -> str:
        """What the script makes of a signature."""
        return _swapped(scrambled[self._dropped :][::-1], self._swap)

    def script(self, kind: str) -> bytes:
        """The script, of one of the kinds that `settings.Settings.player` names."""
        own = _TEMPLATE.replace(*_SPOILED.get(kind, ("", "")))
        for name, value in (("SHIFT", self._shift), ("DROPPED", self._dropped), ("SWAP", self._swap)):
            own = own.replace(name, str(value))
        head, tail = own.encode().split(b"AROUND\n")
        return b"".join((head, _around(), tail)) if kind == "real" else head + tail

    def iframe_api(self) -> bytes:
        """The script of embedded players, which names the release."""
        url = rf"https:\/\/www.youtube.com\/s\/player\/{self.id}\/www-widgetapi.js"
        return f"var scriptUrl = '{url}';".encode()

    @property
    def _shift(self) -> int:
        return 1 + self.release % 7

    @property
    def _dropped(self) -> int:
        return 1 + self.release % 3

    @property
    def _swap(self) -> int:
        return 1 + self.release % 11


def _swapped(text: str, index: int) -> str:
    letters = list(text)
    letters[0], letters[index] = letters[index], letters[0]
    return "".join(letters)


@cache
def _around() -> bytes:
    """JavaScript as the web has it, each file the body of a function that is never called."""
    files = [file for package in _PACKAGES for file in importlib.metadata.files(package) or ()]
    sources = [file.read_text() for file in files if file.suffix == ".js"]
    parts: list[bytes] = []
    for text in cycle(sorted(sources, key=len)):
        parts.append(f"g.part{len(parts)}=function(){{\n{text}\n}};\n".encode())
        if sum(map(len, parts)) >= _REAL:
            return b"".join(parts)
    raise LookupError(f"no JavaScript in {_PACKAGES}")


_TEMPLATE = f"""\
var _yt_player={{}};(function(g){{
var window=this;
g.swap=function(a,i){{var c=a[0];a[0]=a[i];a[i]=c}};
AROUND
g.config={{signatureTimestamp:{STS}}};
g.Url=function(u){{this.u=u;this.p={{}}}};
g.Url.prototype={{
  constructor:g.Url,
  set:function(k,v){{this.p[k]=v}},
  get:function(k){{return this.p[k]}},
  clone:function(){{return this}},
  transform:function(){{
    var n=this.p.n;
    if(n){{n=n.split("");n.push.apply(n,n.splice(0,SHIFT));n.reverse();g.swap(n,SWAP);this.p.n=n.join("")}}
  }}
}};
g.build=function(u,k,s){{
  var x=new g.Url(u);
  x.set("alr","yes");
  if(s){{
    s=decodeURIComponent(s).split("");s.splice(0,DROPPED);s.reverse();g.swap(s,SWAP);
    x.set(k,encodeURIComponent(s.join("")))
  }}
  return x
}};
}})(_yt_player);
"""

# What is replaced in a script of that kind, and by what.
_N = 'n=n.split("");'
_SPOILED = {
    "unknown": ('x.set("alr","yes")', 'x.set("alr","no")'),
    "endless": (_N, f"for(;;);{_N}"),
    "hungry": (_N, f"for(var a=[];;)a.push(new Array(1e5).fill(n));{_N}"),
    "polluting": (
        _N,
        "globalThis.asked=(globalThis.asked||0)+1;"
        f"if(asked>1)Array.prototype.reverse=function(){{return this}};{_N}",
    ),
}
