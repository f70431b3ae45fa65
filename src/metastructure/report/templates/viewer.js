// A viewer of pictures in register. An element with data-group holds the pictures (img with data-layer) of one image;
// those in data-shared around it belong to each of its groups. Works on copies of what the page shows without a script.
(() => {
  const LARGEST_ZOOM = 16, STEP = 1.5, MOVE = 0.1;
  const byId = (id) => document.getElementById(id);
  const [viewer, stage, layerRow, against, wipe] = ["viewer", "stage", "layers", "against", "wipe"].map(byId);
  const now = { group: 0, shown: "", against: "", wipe: 100, side: false, zoom: 1, across: 0, down: 0 };

  const groups = [...document.querySelectorAll("[data-group]")].map((element) => {
    const shared = [...(element.closest("[data-shared]")?.querySelectorAll("[data-for-all] img[data-layer]") ?? [])];
    return { element, pictures: [...shared, ...element.querySelectorAll("img[data-layer]")] };
  });

  function clamp(value, low, high) {
    return Math.min(high, Math.max(low, value));
  }

  function makeElement(tag, name, text = "") {
    const element = document.createElement(tag);
    element.className = name;
    element.textContent = text;
    return element;
  }

  function makePane(picture) {
    const pane = makeElement("div", "pane");
    const copy = document.createElement("img");
    [copy.src, copy.alt, copy.draggable] = [picture.src, picture.alt, false];
    pane.append(copy);
    return pane;
  }

  function makeCell(panes, text = "") {
    const cell = makeElement("div", "cell"), box = makeElement("div", "box");
    box.append(...panes);
    cell.append(box, ...(text ? [makeElement("span", "", text)] : []));
    return cell;
  }

  // New pictures: another image, another layer, another arrangement.
  function build() {
    const { element, pictures } = groups[now.group];
    const names = pictures.map((picture) => picture.dataset.layer);
    if (!names.includes(now.shown)) now.shown = names[0];
    if (!names.includes(now.against) || now.against === now.shown) {
      now.against = names.find((name) => name !== now.shown) ?? now.shown;
    }
    const [top, bottom] = [now.shown, now.against].map((name) => pictures[names.indexOf(name)]);
    byId("viewer-title").textContent = element.dataset.group;
    byId("viewer-count").textContent = `${now.group + 1} of ${groups.length}`;
    layerRow.replaceChildren(...names.map((name, place) => {
      const button = makeElement("button", "", place < 9 ? `${place + 1} ${name}` : name);
      button.type = "button";
      button.dataset.show = name;
      button.setAttribute("aria-pressed", String(name === now.shown));
      return button;
    }));
    against.replaceChildren(...names.filter((name) => name !== now.shown).map((name) => new Option(name)));
    against.value = now.against;
    stage.style.setProperty("--ratio", top.naturalWidth / top.naturalHeight || 1);
    if (now.side) {
      const wide = stage.clientWidth / stage.clientHeight;
      stage.style.setProperty("--columns", clamp(Math.round(Math.sqrt(pictures.length * wide)), 1, pictures.length));
      stage.replaceChildren(...pictures.map((picture) => makeCell([makePane(picture)], picture.dataset.layer)));
    } else {
      stage.style.setProperty("--columns", 1);
      stage.replaceChildren(makeCell([makePane(bottom), makePane(top), makeElement("div", "pane edge")]));
    }
    place();
  }

  // The same pictures, placed anew.
  function place() {
    const reach = (now.zoom - 1) / 2;
    [now.across, now.down] = [now.across, now.down].map((shift) => clamp(shift, -reach, reach));
    for (const name of ["zoom", "across", "down", "wipe"]) stage.style.setProperty(`--${name}`, now[name]);
    byId("zoom").textContent = `${Math.round(100 * now.zoom)} %`;
    wipe.value = now.wipe;
    for (const control of [wipe, against, viewer.querySelector("[data-do=toggle]")]) {
      control.disabled = now.side || now.shown === now.against;
    }
    viewer.querySelector("[data-do=side]").setAttribute("aria-pressed", String(now.side));
    let text = "all pictures";
    if (!now.side) {
      const [bottom, top, edge] = stage.querySelectorAll(".pane");
      top.style.clipPath = `inset(0 ${100 - now.wipe}% 0 0)`;
      [top.hidden, bottom.hidden] = [now.wipe === 0, now.wipe === 100];
      edge.hidden = top.hidden || bottom.hidden;
      text = top.hidden ? now.against : bottom.hidden ? now.shown : `${now.shown} | ${now.against}`;
    }
    byId("viewer-state").textContent = text;
  }

  function show(name) {
    if (name === now.against) now.against = now.shown;
    now.shown = name;
    now.wipe = 100;
    build();
  }

  function goTo(group) {
    now.group = (group + groups.length) % groups.length;
    build();
  }

  // `point`, from -0.5 to 0.5 across and down a pane, stays where it is.
  function zoomBy(factor, point = [0, 0]) {
    const zoom = clamp(now.zoom * factor, 1, LARGEST_ZOOM);
    const [across, down] = [now.across, now.down].map((shift, k) => point[k] - ((point[k] - shift) * zoom) / now.zoom);
    Object.assign(now, { zoom, across, down });
    place();
  }

  function moveBy(across, down) {
    now.across += across;
    now.down += down;
    place();
  }

  function open(group, layer) {
    Object.assign(now, { group, wipe: 100, zoom: 1, across: 0, down: 0 });
    if (layer) now.shown = layer;
    viewer.showModal();
    build();
    stage.focus();
  }

  const actions = {
    close: () => viewer.close(),
    previous: () => goTo(now.group - 1),
    next: () => goTo(now.group + 1),
    toggle: () => { now.wipe = now.wipe > 50 ? 0 : 100; place(); },
    side: () => { now.side = !now.side; build(); },
    in: () => zoomBy(STEP),
    out: () => zoomBy(1 / STEP),
    whole: () => zoomBy(0),
  };
  const keys = { t: "toggle", s: "side", "+": "in", "=": "in", "-": "out", 0: "whole", ArrowLeft: "previous", ArrowRight: "next" };
  const moves = { ArrowLeft: [MOVE, 0], ArrowRight: [-MOVE, 0], ArrowUp: [0, MOVE], ArrowDown: [0, -MOVE] };

  viewer.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.show) {
      show(button.dataset.show);
      [...layerRow.children].find((one) => one.dataset.show === now.shown).focus();
    } else if (button) actions[button.dataset.do]();
  });
  viewer.addEventListener("keydown", (event) => {
    const isArrow = event.key.startsWith("Arrow");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === against || (event.target === wipe && isArrow)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const button = /^[1-9]$/.test(key) ? layerRow.children[key - 1] : null;
    if (event.shiftKey && moves[key]) moveBy(...moves[key]);
    else if (button) show(button.dataset.show);
    else if (keys[key]) viewer.querySelector(`[data-do=${keys[key]}]:disabled`) ?? actions[keys[key]]();
    else return;
    event.preventDefault();
  });
  viewer.addEventListener("close", () => openers[now.group].focus());
  against.addEventListener("change", () => { now.against = against.value; build(); });
  wipe.addEventListener("input", () => { now.wipe = Number(wipe.value); place(); });
  stage.addEventListener("wheel", (event) => {
    const box = event.target.closest(".pane")?.getBoundingClientRect();
    if (box) {
      const point = [(event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5];
      zoomBy(event.deltaY < 0 ? STEP : 1 / STEP, point);
    }
    event.preventDefault();
  }, { passive: false });
  stage.addEventListener("pointerdown", (event) => stage.setPointerCapture(event.pointerId));
  stage.addEventListener("pointermove", (event) => {
    if (!stage.hasPointerCapture(event.pointerId)) return;
    const pane = stage.querySelector(".pane:not([hidden])");
    moveBy(event.movementX / pane.clientWidth, event.movementY / pane.clientHeight);
  });

  const openers = groups.map(({ element, pictures }, group) => {
    const button = makeElement("button", "open", "look closer");
    button.type = "button";
    button.setAttribute("aria-label", `look closer: ${element.dataset.group}`);
    button.addEventListener("click", () => open(group));
    (element.querySelector("[data-open]") ?? element).append(button);
    for (const picture of pictures.filter((one) => !one.classList.contains("opens"))) {
      picture.classList.add("opens");
      picture.addEventListener("click", () => open(group, picture.dataset.layer));
    }
    return button;
  });
  openers.forEach((button, group) => button.addEventListener("keydown", (event) => {
    const other = openers[group + ({ ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? NaN)];
    if (!other) return;
    other.focus();
    event.preventDefault();
  }));

  const help = byId("help");
  for (const part of help.children) part.hidden = !document.querySelector(part.dataset.for);
  help.hidden = [...help.children].every((part) => part.hidden);
})();
