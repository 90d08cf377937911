#include "report/html.h"

#include "base/print.h"

#include <string.h>

/* Two strings: a compiler need not take one of more than 4095 bytes. */
static const char style_page[] =
    ":root{--paper:#fbfbfa;--card:#fff;--ink:#1d2125;--soft:#5c646d;--line:#dfe2e6;--good:#2b6cb0;--flaw:#"
    "d9622b;"
    "--ok:#24754a;--okbg:#e0f2e8;--bad:#b42318;--badbg:#fde6e3;--warn:#8a5a00;--warnbg:#fdf0d2}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#14171a;--card:#1c2024;--ink:#e6e8ea;--soft:#9aa3ac;"
    "--line:#333a41;--good:#6aaef0;--flaw:#f29058;--ok:#7ad3a1;--okbg:#173527;--bad:#ff9a8f;--badbg:#4a1f1b;"
    "--warn:#f0c46a;--warnbg:#3d3014}}\n"
    "*{box-sizing:border-box}html{color-scheme:light dark}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,'Segoe "
    "UI',Roboto,"
    "sans-serif}\n"
    "main{max-width:76rem;margin:0 auto;padding:2rem 1.25rem 4rem}\n"
    "h1{font-size:1.9rem;line-height:1.2;margin:0 0 1rem}h2{font-size:1.5rem;margin:3rem 0 "
    "1rem;padding-top:1rem;"
    "border-top:1px solid var(--line)}h3{font-size:1.1rem;margin:2rem 0 .6rem}\n"
    "p{margin:.4rem "
    "0;max-width:60rem}.soft{color:var(--soft)}small,.small{font-size:.85rem}a{color:var(--good)}\n"
    "dl.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(14rem,1fr));gap:.5rem "
    "1.5rem;margin:1rem 0}"
    "dl.facts dt{color:var(--soft);font-size:.8rem}dl.facts dd{margin:0;overflow-wrap:anywhere}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;margin:.5rem 0}th,td{padding:.3rem .9rem .3rem 0;"
    "text-align:left;border-bottom:1px solid "
    "var(--line);vertical-align:baseline}th{font-weight:600;font-size:.85rem;"
    "color:var(--soft)}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "tr.mean td{font-weight:600}tr.aside td{color:var(--soft)}\n"
    ".lead{font-size:1.2rem}.lead b{font-variant-numeric:tabular-nums}\n"
    ".tally{display:grid;grid-template-columns:max-content 1fr;gap:.4rem "
    ".9rem;align-items:center;max-width:46rem;"
    "margin:1rem 0}.bar{display:flex;height:1.7rem;border-radius:.3rem;overflow:hidden}.bar "
    "span{overflow:hidden;"
    "white-space:nowrap;padding:0 .6rem;font-size:.85rem;line-height:1.7rem;min-width:max-content}\n"
    ".ok{background:var(--okbg);color:var(--ok)}.bad{background:var(--badbg);color:var(--bad)}\n"
    ".note{background:var(--warnbg);color:var(--warn);padding:.5rem .8rem;border-radius:.4rem}\n"
    ".plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(24rem,1fr));gap:1.5rem}"
    "@media(max-width:30rem){.plots{grid-template-columns:1fr}}figure{margin:0}figcaption{color:var(--soft);"
    "font-size:.85rem}svg{width:100%;height:auto;display:block;overflow:visible}svg text{fill:var(--soft);"
    "font:12px system-ui,sans-serif}svg .axis{stroke:var(--line)}svg .g{fill:var(--good);stroke:var(--good)}"
    "svg .f{fill:var(--flaw);stroke:var(--flaw)}svg "
    ".area{fill-opacity:.28;stroke-width:1.5;stroke-linejoin:round}"
    "svg .dot{fill-opacity:.6;stroke-width:1}svg .cut{stroke:var(--ink);stroke-width:1.5}svg "
    ".f1{stroke:var(--soft);"
    "stroke-dasharray:4 4}svg "
    "text.strong{fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:4px}svg text.g,svg "
    "text.f{stroke:none;font-weight:600}"
    "svg text.g{fill:var(--good)}svg text.f{fill:var(--flaw)}\n";

static const char style_pictures[] =
    ".legend{display:flex;flex-wrap:wrap;gap:.5rem 1.6rem;align-items:center;margin:.8rem 0;font-size:.85rem;"
    "color:var(--soft)}.ramp{width:9rem;height:.9rem;display:inline-block;vertical-align:middle;border-"
    "radius:.2rem;"
    "margin:0 "
    ".4rem}.key{display:inline-block;width:1.6rem;height:1rem;vertical-align:middle;margin-right:.4rem;"
    "border-radius:.15rem;background:#777}.key.found{border:3px solid #00e5ff}.key.truth{border:3px dashed "
    "#fff;"
    "outline:1px solid #000;background:#222}\n"
    ".cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(34rem,100%),1fr));gap:1rem}\n"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.7rem}"
    ".card.wrong{border-color:var(--bad)}.card:target{outline:3px solid var(--good)}.tiles{display:grid;"
    "grid-template-columns:repeat(4,1fr);gap:.35rem}.tiles.wide{grid-template-columns:repeat(6,1fr)}.tiles "
    "img,"
    ".tiles div{width:100%;height:auto;display:block;border-radius:.2rem}"
    ".tiles div{aspect-ratio:1;display:grid;place-items:center;background:var(--paper);color:var(--soft);"
    "font-size:.8rem;text-align:center}.tiles figcaption{text-align:center;font-size:.75rem}\n"
    ".line{display:flex;flex-wrap:wrap;gap:.2rem .8rem;align-items:baseline;margin:0 0 .5rem}.line "
    "b{overflow-wrap:"
    "anywhere}.line .soft{font-size:.85rem}.badge{border-radius:.3rem;padding:.05rem "
    ".5rem;font-size:.85rem;font-weight:600}.num{font-variant-"
    "numeric:tabular-nums}ul.mistakes{columns:3 18rem;padding-left:1.2rem;margin:.4rem 0}\n"
    "@media print{.card{break-inside:avoid}}\n";

void fm_html_escape(struct fm_text *text, const char *string) {
  static const struct {
    char c;
    const char *as;
  } table[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
  size_t left = strlen(string);
  for (const char *s = string; *s;) {
    bool visible;
    size_t n = fm_utf8(s, left, &visible), i = 0;
    while (i < sizeof table / sizeof *table && table[i].c != *s) i++;
    if (i < sizeof table / sizeof *table)
      fm_text_append(text, table[i].as);
    else if (!visible)
      fm_text_append(text, "\xef\xbf\xbd");
    else
      fm_text_append_bytes(text, s, n);
    n += n == 0;
    s += n;
    left -= n;
  }
}

void fm_html_wrap(struct fm_text *text, const char *before, const char *string, const char *after) {
  fm_text_append(text, before);
  fm_html_escape(text, string);
  fm_text_append(text, after);
}

void fm_base64(struct fm_text *text, const unsigned char *bytes, size_t size) {
  static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < size; i += 3) {
    size_t left = size - i;
    unsigned v = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                 (left > 2 ? bytes[i + 2] : 0);
    char four[4] = {digit[v >> 18], digit[v >> 12 & 63], '=', '='};
    if (left > 1) four[2] = digit[v >> 6 & 63];
    if (left > 2) four[3] = digit[v & 63];
    fm_text_append_bytes(text, four, 4);
  }
}

void fm_html_begin(struct fm_text *text, const char *title) {
  fm_text_append(text, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
  fm_html_wrap(text, "<title>", title, "</title>\n<style>\n");
  fm_text_append(text, style_page);
  fm_text_append(text, style_pictures);
  fm_text_append(text, "</style>\n</head>\n<body>\n<main>\n");
}

void fm_html_end(struct fm_text *text) {
  fm_text_append(text, "</main>\n</body>\n</html>\n");
}
