"""yt-dlp-ejs, the package that prepares YouTube's player scripts: its code, and the name of a copy of it.

Workers import this file, too: both sides compare the names of their copies, and where an upgrade has made
them differ, a worker solves by itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module


class EjsMissing(Exception):
    """The package is missing, or its interface has changed; the text says which."""


@dataclass(frozen=True)
class Ejs:
    """One copy of the package.

    Attributes:
        lib: JavaScript that defines `lib`, a parser and a generator.
        core: JavaScript that defines `jsc`, which uses the two.
    """

    version: str
    lib: bytes
    core: bytes

    @cached_property
    def name(self) -> str:
        """The version, and a digest of the code: equal names stand for equal code."""
        return f"{self.version}-{hashlib.sha256(self.lib + self.core).hexdigest()[:12]}"


def load() -> Ejs:
    """The installed copy.

    Raises:
        EjsMissing: there is none, or it offers something else.
    """
    try:
        package = import_module("yt_dlp_ejs")
        solver = import_module("yt_dlp_ejs.yt.solver")
        return Ejs(str(package.version), solver.lib().encode(), solver.core().encode())
    except (ImportError, AttributeError, OSError) as error:
        raise EjsMissing(f"yt-dlp-ejs cannot be used: {error}") from error


# The smallest script of the form of YouTube's. A challenge n is answered by its reverse, a signature by its
# own without the first two letters.
SAMPLE = b"""\
var _yt_player={};(function(g){
var window=this;
g.Url=function(u){this.u=u;this.p={}};
g.Url.prototype={
  constructor:g.Url,
  set:function(k,v){this.p[k]=v},
  get:function(k){return this.p[k]},
  clone:function(){return this},
  transform:function(){var n=this.p.n;if(n)this.p.n=n.split("").reverse().join("")}
};
g.build=function(u,k,s){
  var x=new g.Url(u);
  x.set("alr","yes");
  if(s){s=decodeURIComponent(s).split("").slice(2).join("");x.set(k,encodeURIComponent(s))}
  return x
};
})(_yt_player);
"""
