/* Drawing a plot from its Vega-Lite specification, and telling of its points at a press. */

function theme() {
  const css = getComputedStyle(document.documentElement);
  const of = (name) => css.getPropertyValue(name).trim();
  const axis = { labelColor: of("--muted"), titleColor: of("--muted"), gridColor: of("--line"), domainColor: of("--line"), tickColor: of("--line"), titleFontWeight: "normal" };
  return {
    background: null, font: "system-ui, sans-serif", view: { stroke: of("--line") }, axis,
    legend: { labelColor: of("--muted"), titleColor: of("--muted") }, text: { color: of("--text") },
    // A spec's own "mark" colour wins over these, so texts name none.
  };
}
const drawn = new Map();
async function draw(id, values, change) {
  const place = at(id);
  drawn.set(id, [values, change]);
  if (!values.some((value) => value.kind !== "published")) {
    place.replaceChildren(make("p", { class: "nothing" }, "Nothing to show with these choices."));
    return;
  }
  // A hollow symbol shows the ground.
  const ground = JSON.stringify(getComputedStyle(document.documentElement).getPropertyValue("--card").trim());
  const spec = JSON.parse(JSON.stringify(data.specs[id]).replaceAll(JSON.stringify(data.ground), ground));
  reword(spec, data.tables[state.task].metric);
  if (change) change(spec);
  spec.data = { name: "points", values };
  const { view } = await vegaEmbed(place, spec, { actions: false, renderer: "svg", config: theme(), logLevel: 1 /* errors only: a layer without data is none */, tooltip: { theme: dark.matches ? "dark" : "light" } });
  views.set(id, view);
  const svg = place.querySelector("svg");
  if (svg) svg.setAttribute("aria-label", place.closest("figure").querySelector("figcaption").textContent);
}
function forget(id) { drawn.delete(id); views.delete(id); at(id).replaceChildren(); }
// A finger is wider than a point: a press tells of the nearest one, a press elsewhere ends that.
const REACH = 32; // CSS pixels
const views = new Map();
function tell(event) {
  const view = views.get(event.currentTarget.id);
  if (!view) return;
  let [nearest, least] = [null, REACH];
  for (const mark of event.currentTarget.querySelectorAll(".mark-symbol path, .mark-rule line, .mark-rect path")) {
    const item = mark.__data__; // where Vega's renderer keeps what it drew
    if (!item || !item.tooltip) continue;
    const box = mark.getBoundingClientRect();
    const away = Math.hypot(
      Math.max(box.left - event.clientX, 0, event.clientX - box.right), Math.max(box.top - event.clientY, 0, event.clientY - box.bottom));
    if (away < least) [nearest, least] = [item, away];
  }
  view.tooltip()(null, event, nearest, nearest && nearest.tooltip);
  told = nearest && view;
  const box = at("vg-tooltip-element");
  if (nearest && box) box.style.left = `${Math.max(4, Math.min(parseFloat(box.style.left), innerWidth - box.offsetWidth - 4))}px`;
}
let told = null;
// What was told stays where it was on the screen, and so must go when the plot moves on.
addEventListener("scroll", (event) => { if (told) told.tooltip()(null, event, null, null); told = null; }, { passive: true });
document.querySelectorAll(".plot").forEach((place) => place.addEventListener("click", tell));

function redraw() { for (const [id, [values, change]] of drawn) draw(id, values, change); }
