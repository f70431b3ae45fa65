// Tables that sort by their headings: ascending, descending, then as written. Cells without a value stay last.
(() => {
  const NUMBER = /^(?:p )?[≤<]? ?([+\-−]?\d+(?:\.\d+)?(?:e[+\-]?\d+)?)(?![\w.])/;
  const NOTHING = new Set(["", "–", "undefined", "not available"]);
  const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

  const toNumber = (text) => Number(NUMBER.exec(text)[1].replace("−", "-"));

  // "erode:2" before "erode:10", and "flip:0.45" before "flip:0.5"
  function compareTexts(left, right) {
    const [one, other] = [left, right].map((text) => text.toLowerCase().split(/(\d+(?:\.\d+)?)/));
    for (let k = 0; k < Math.min(one.length, other.length); k++) {
      const order = k % 2 ? one[k] - other[k] : one[k].localeCompare(other[k], "en");
      if (order) return order;
    }
    return one.length - other.length;
  }

  function sortRows(rows, column, direction) {
    const textOf = new Map(rows.map((row) => [row, row.cells[column].textContent.trim()]));
    const isEmpty = (row) => NOTHING.has(textOf.get(row).toLowerCase());
    const filled = rows.filter((row) => !isEmpty(row));
    const areNumbers = filled.every((row) => NUMBER.test(textOf.get(row)));
    const sign = direction === "descending" ? -1 : 1;
    filled.sort((left, right) => {
      const [one, other] = [textOf.get(left), textOf.get(right)];
      return sign * (areNumbers ? toNumber(one) - toNumber(other) : compareTexts(one, other));
    });
    return [...filled, ...rows.filter(isEmpty)];
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const [body, headings] = [table.tBodies[0], [...table.tHead.rows[0].cells]];
    const written = [...body.rows];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...heading.childNodes);
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const direction = NEXT[heading.getAttribute("aria-sort")];
        headings.forEach((one) => one.setAttribute("aria-sort", "none"));
        heading.setAttribute("aria-sort", direction);
        body.append(...(direction === "none" ? written : sortRows(written, column, direction)));
      });
    });
  }
})();
