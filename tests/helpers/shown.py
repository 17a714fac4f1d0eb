"""What of a notebook's output is checked: LaTeX that MathJax and KaTeX know, HTML whose tags close."""

import re
from html.parser import HTMLParser

HOSTILE = "<script>alert('x')</script> & \"</td>\" $x$"
KNOWN = re.compile(
    "Gamma|Phi|alpha|approx|arccos|arcsin|bar|begin|bigl|bigr|cdots|cos|displaystyle|dot|dots|ell|"
    "end|erf|exp|frac|ge|hline|in|infty|kappa|lambda|left|leq|log|lvert|mathbb|mathbf|mathcal|mathrm|"
    "max|mid|min|not|operatorname|overset|phi|pi|pm|quad|rho|right|rvert|sigma|sim|sin|sinh|sqrt|"
    "subseteq|subsetneq|sum|supsetneq|tanh|text|tfrac|theta|times|to|varphi|vdots|vee"
)


def require_mathjax(source):
    assert source.startswith("$\\displaystyle ")
    assert source.count("$") == 2
    body = source[1:-1].replace(r"\{", "").replace(r"\}", "").replace(r"\left[", "").replace(r"\right]", "")
    depth = 0
    for mark in re.findall(r"[{}]", body):
        depth += 1 if mark == "{" else -1
        assert depth >= 0, source
    assert depth == 0, source
    assert body.count(r"\left") == body.count(r"\right"), source
    begun, ended = (re.findall(rf"\\{word}{{(\w+)}}", body) for word in ("begin", "end"))
    assert sorted(begun) == sorted(ended)
    unknown = [name for name in re.findall(r"\\([a-zA-Z]+)", body) if not KNOWN.fullmatch(name)]
    assert unknown == []


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.open, self.found, self.words = [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
