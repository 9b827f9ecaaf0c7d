/* Pieces of the document; text is never parsed as markup. */
/* The scripts of this folder share one scope: html.py joins them in the order it lists. They filter and draw what
   Python has computed, and rank nothing. */

const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
function fill(place, ...children) { at(place).replaceChildren(...children); }
function symbol(method) {
  const look = data.styles[method];
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "-1.3 -1.3 2.6 2.6");
  svg.setAttribute("class", "symbol");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", data.shapes[look.shape]);
  path.setAttribute("fill", look.filled ? look.color : "none");
  path.setAttribute("stroke", look.color);
  path.setAttribute("stroke-width", ".3");
  svg.append(path);
  return svg;
}
function tag(kind, text) { return make("span", { class: `tag ${kind}` }, text); }
function link(file, text) { return make("a", { href: `${data.records}/${encodeURIComponent(file)}` }, text); }
// "88.68 ± 0.92 (3 seeds)" with what is in brackets on a line of its own where the screen is narrow.
function twoLines(text) {
  const start = text.indexOf(" (");
  return start < 0 ? text : [text.slice(0, start), make("span", { class: "more" }, text.slice(start))];
}
const percent = (sparsity) => `${+(100 * sparsity).toPrecision(6)} %`;
