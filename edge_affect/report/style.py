"""The report's style sheet: light and dark, for screen and paper."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--page:#f6f7f8;--card:#fff;--ink:#1c2127;--soft:#5d6773;
--rule:#e2e5e9;--valence:#2563c9;--arousal:#c2530f;--expr:#6a4fc0;--au:#0c7d73;
--driver:#a83279;--age:#4b5563;--ok:#2f9e6a;--degraded:#e0b01c;--stale:#e57a1f;
--lost:#c9353f;--held:#8b95a1}
@media (prefers-color-scheme:dark){:root{--page:#111418;--card:#1a1f25;--ink:#e8ebee;
--soft:#9aa5b1;--rule:#2c333b;--valence:#6ea2ff;--arousal:#f5944f;--expr:#a78bfa;
--au:#3dc4b4;--driver:#ec6fb5;--age:#b4bdc8;--ok:#3fb77e;--degraded:#e3bb3c;
--stale:#f08c3a;--lost:#ef5f68;--held:#77818d}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif}
main{max-width:1040px;margin:0 auto;padding:28px 20px 48px}
header h1{margin:0;font-size:26px;line-height:1.25;overflow-wrap:anywhere}
header p{margin:4px 0 18px;color:var(--soft)}
section{background:var(--card);border:1px solid var(--rule);border-radius:10px;
padding:16px 20px 14px;margin:14px 0}
h2{margin:0 0 2px;font-size:16px}
.note{margin:0 0 8px;color:var(--soft);font-size:13.5px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(112px,1fr));gap:10px;
margin:0}
.tiles div{background:var(--card);border:1px solid var(--rule);border-radius:10px;
padding:9px 12px}
.tiles dt{color:var(--soft);font-size:12.5px}
.tiles dd{margin:0;font-size:19px;font-weight:600;font-variant-numeric:tabular-nums}
figure{margin:8px 0 0}
figcaption{font-size:13.5px;color:var(--soft)}
figcaption b{color:var(--ink)}
figcaption .valence{color:var(--valence)}figcaption .arousal{color:var(--arousal)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(330px,1fr));
column-gap:22px}
svg{display:block;width:100%;height:auto}
.grid{stroke:var(--rule);stroke-width:1;fill:none}
.tick{fill:var(--soft);font-size:11px;font-variant-numeric:tabular-nums}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}
.band{opacity:.17}.area{opacity:.28}.range{opacity:.4}
.line.valence{stroke:var(--valence)}.line.arousal{stroke:var(--arousal)}
.line.expr{stroke:var(--expr)}.line.au{stroke:var(--au)}
.line.driver{stroke:var(--driver)}.line.age{stroke:var(--age);stroke-width:1.1}
polygon.valence{fill:var(--valence)}polygon.arousal{fill:var(--arousal)}
polygon.expr{fill:var(--expr)}polygon.au{fill:var(--au)}
polygon.driver{fill:var(--driver)}polygon.age{fill:var(--age)}
rect.ok{fill:var(--ok)}rect.degraded{fill:var(--degraded)}rect.stale{fill:var(--stale)}
rect.lost{fill:var(--lost)}
figure rect.held{fill:var(--held);opacity:.16}
figure .shade-lost{fill:var(--lost);opacity:.13}
.key{display:inline-block;width:11px;height:11px;border-radius:2px;margin:0 1px 0 8px}
.key:first-child{margin-left:0}
.key.ok{background:var(--ok)}.key.degraded{background:var(--degraded)}
.key.stale{background:var(--stale)}.key.lost{background:var(--lost)}
.key.held{background:var(--held);opacity:.5}
.key.shade-lost{background:var(--lost);opacity:.4}
table{border-collapse:collapse;margin-top:8px;font-size:14px}
th,td{padding:4px 18px 4px 0;text-align:left;font-weight:400;vertical-align:top}
thead th{color:var(--soft);font-size:12.5px}
tbody tr{border-top:1px solid var(--rule)}
.numbers td,.numbers thead th:not(:first-child){text-align:right;
font-variant-numeric:tabular-nums}
.facts th{color:var(--soft);white-space:nowrap}.facts td{overflow-wrap:anywhere}
.facts tr:first-child{border-top:0}
ul{margin:6px 0 2px;padding-left:20px}
footer{color:var(--soft);font-size:13px;margin-top:20px}
@media print{body{background:#fff}section{break-inside:avoid}}
"""
