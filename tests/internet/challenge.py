"""YouTube's player script, in the smallest form that yt-dlp's challenge solver (yt-dlp-ejs) accepts. Pure.

The solver parses the script, keeps the assignments of its one big function, and looks for a function with
the statement `x.set("alr", "yes")`: called with a URL, "s" and a signature, it must return an object with
`set`, `get` and one more method that transforms the parameter `n`. Ours reverses n; it drops the signature's
first two letters and reverses the rest.
"""

from __future__ import annotations

from .youtube_data import PLAYER_ID, STS


def solve_n(challenge: str) -> str:
    """What the script makes of an `n`: a test compares it with the URLs that come out."""
    return challenge[::-1]


def solve_signature(scrambled: str) -> str:
    """What the script makes of a signature."""
    return scrambled[2:][::-1]


PLAYER_JS = f"""\
var _yt_player={{}};(function(g){{
var window=this;
g.config={{signatureTimestamp:{STS}}};
g.Url=function(u){{this.u=u;this.p={{}}}};
g.Url.prototype={{
  constructor:g.Url,
  set:function(k,v){{this.p[k]=v}},
  get:function(k){{return this.p[k]}},
  clone:function(){{return this}},
  transform:function(){{var n=this.p.n;if(n)this.p.n=n.split("").reverse().join("")}}
}};
g.build=function(u,k,s){{
  var x=new g.Url(u);
  x.set("alr","yes");
  if(s){{s=decodeURIComponent(s).split("").slice(2).reverse().join("");x.set(k,encodeURIComponent(s))}}
  return x
}};
}})(_yt_player);
""".encode()

IFRAME_API = (
    f"var scriptUrl = 'https:\\/\\/www.youtube.com\\/s\\/player\\/{PLAYER_ID}\\/www-widgetapi.js';".encode()
)
