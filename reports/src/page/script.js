"use strict";
(() => {
  const root = document.documentElement;

  // Theme: the system's, or one that is kept. Some browsers keep nothing for local files.
  const themes = ["system", "light", "dark"];
  const button = document.getElementById("theme");
  const kept = { get: () => { try { return localStorage.getItem("nasprof-theme"); } catch { return null; } },
    set: (name) => { try { localStorage.setItem("nasprof-theme", name); } catch { /* kept for this view only */ } } };
  const use = (name) => {
    if (name === "system") delete root.dataset.theme; else root.dataset.theme = name;
    button.textContent = `Theme: ${name}`;
  };
  let theme = themes.includes(kept.get()) ? kept.get() : "system";
  use(theme);
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    kept.set(theme);
    use(theme);
  });

  // Tables.
  const LIMIT = 200;
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const search = document.querySelector(`input[data-table="${table.id}"]`);
    const all = document.querySelector(`button[data-all="${table.id}"]`);
    const output = document.querySelector(`output[for="${table.id}"]`);
    let rows = [...body.rows];
    let limit = rows.length > LIMIT ? LIMIT : Infinity;
    let texts = null;
    const plural = (n) => `${n} ${table.dataset.row}${n === 1 ? "" : "s"}`;

    const show = () => {
      const words = (search?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
      texts ??= new Map(rows.map((row) => [row, [...row.cells].map((c) => c.title || c.textContent).join(" ").toLowerCase()]));
      let found = 0;
      for (const row of rows) {
        const fits = words.every((word) => texts.get(row).includes(word));
        row.hidden = !(fits && found < limit);
        found += fits;
      }
      body.classList.remove("cut");
      const shown = Math.min(found, limit);
      if (output) output.textContent = (words.length ? `${found} of ${plural(rows.length)}` : plural(rows.length)) +
        (shown < found ? `, the first ${shown} shown` : "");
      if (all) all.hidden = shown === found;
    };

    const key = (row, column) => {
      const cell = row.cells[column];
      return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
    };
    const sort = (column, header) => {
      const numeric = header.classList.contains("n");
      const before = header.getAttribute("aria-sort");
      const ascending = before ? before === "descending" : !numeric;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const sign = ascending ? 1 : -1;
      const keyed = rows.map((row) => [numeric ? key(row, column) : row.cells[column].textContent, row]);
      keyed.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        return sign * (numeric ? a - b : a.localeCompare(b, "en", { numeric: true }));
      });
      rows = keyed.map(([, row]) => row);
      body.append(...rows);
      show();
    };

    [...table.tHead.rows[0].cells].forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => sort(column, header));
    });
    search?.addEventListener("input", show);
    all?.addEventListener("click", () => { limit = Infinity; show(); });
    if (output && limit < Infinity) output.textContent = `${plural(rows.length)}, the first ${limit} shown`;
  }

  // The text of a mark at the pointer at once, instead of the browser's after a second; on touch as well.
  const tip = document.getElementById("tip");
  const text = (element) => element.querySelector(":scope > title")?.textContent;
  const place = (event, target) => {
    const mark = target?.closest?.(".chart .mark, .chart .bar, .chart .curve, .chart .median, .picture g");
    const words = mark && text(mark);
    tip.hidden = !words;
    if (!words) return;
    tip.textContent = words;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - box.width - 4))}px`;
    tip.style.top = `${Math.max(4, event.clientY - box.height - 12)}px`;
  };
  document.addEventListener("pointermove", (event) => place(event, event.target));
  document.addEventListener("pointerdown", (event) => place(event, event.target));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
})();
