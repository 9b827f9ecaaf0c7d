/* A table that sorts, and shows one page at a time. */

// A column: {name, label() if it is called otherwise, title, value(row) to sort by, show(row) -> node, text or a list of
// these, number: whether it is aligned to the right, kind: its CSS class, noSort, down: whether the first press sorts
// downward, or what says so, hidden()}.
class Table {
  constructor(place, columns, { pick, size = 50, empty = "None." } = {}) {
    Object.assign(this, { place: at(place), columns, pick, size, empty, rows: [], page: 0 });
    Object.assign(this, { sortBy: null, down: false, picked: null, bodies: new Map() });
  }
  show(rows) { this.rows = rows; this.page = 0; this.draw(); }
  sort(column) {
    this.down = this.sortBy === column ? !this.down : Boolean(typeof column.down === "function" ? column.down() : column.down);
    this.sortBy = column;
    this.page = 0;
    this.draw();
    this.place.querySelector(`th[data-name="${column.name}"] button`).focus();
  }
  highlight(row) {
    this.bodies.get(this.picked)?.classList.remove("picked");
    this.picked = row;
    this.bodies.get(row)?.classList.add("picked");
  }
  sorted() {
    if (!this.sortBy) return this.rows;
    const { value } = this.sortBy;
    const sign = this.down ? -1 : 1;
    const unknown = (x) => x === null || x === undefined || x === "";
    return this.rows.map((row, i) => [value(row), i, row]).sort(([a, i], [b, j]) => {
      if (unknown(a) || unknown(b)) return unknown(a) - unknown(b) || i - j; // what is not known stays last
      return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b))) || i - j;
    }).map(([, , row]) => row);
  }
  draw() {
    if (!this.rows.length) { this.place.replaceChildren(make("p", { class: "muted nothing" }, this.empty)); return; }
    const pages = Math.ceil(this.rows.length / this.size);
    const shown = this.sorted().slice(this.page * this.size, (this.page + 1) * this.size);
    const columns = this.columns.filter((column) => !column.hidden || !column.hidden());
    const classes = (column) => [column.number ? "number" : "", column.kind || ""].join(" ").trim() || null;
    const head = columns.map((column) => make("th", {
      class: classes(column), scope: "col", "data-name": column.name,
      "aria-sort": this.sortBy === column ? (this.down ? "descending" : "ascending") : null,
    }, column.noSort ? column.name : make("button", { type: "button", title: column.title, onclick: () => this.sort(column) }, column.label ? column.label() : column.name)));
    const press = (row) => (event) => { if (!event.target.closest("a")) this.pick(row); };
    const body = shown.map((row) => make("tr", this.pick ? { class: "pickable", onclick: press(row) } : {},
      ...columns.map((column) => {
        const content = column.show ? column.show(row) : column.value(row);
        return make("td", { class: classes(column) }, ...(Array.isArray(content) ? content : [content ?? "–"]));
      })));
    this.bodies = new Map(shown.map((row, i) => [row, body[i]]));
    this.highlight(this.picked);
    const turn = (by, text) => make("button", {
      type: "button", ...(this.page + by < 0 || this.page + by >= pages ? { disabled: "" } : {}),
      onclick: () => { this.page += by; this.draw(); },
    }, text);
    const first = this.page * this.size + 1;
    const pager = make("div", { class: "pager" },
      `${first}–${first + shown.length - 1} of ${this.rows.length}`, ...(pages > 1 ? [turn(-1, "Previous"), turn(1, "Next")] : []));
    this.place.replaceChildren(
      make("div", { class: "scroll", tabindex: "0" }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body))),
      pager);
  }
}
