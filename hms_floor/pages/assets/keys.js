// Keys: "/" goes to the search field, "?" lists the keys, "t" turns the theme, "z" the time zone, "g" and a letter goes to a page.
(() => {
  let going = 0;
  // On a phone the places are one line that is pushed sideways: the page that is shown is in sight.
  const show = (tries) => {
    const here = document.querySelector(".bar .places a.here");
    if (here) here.scrollIntoView({ block: "nearest", inline: "center" });
    else if (tries) setTimeout(() => show(tries - 1), 50);
  };
  show(100);
  const typing = (target) => target.closest?.("input, textarea, select, [contenteditable=true], [role=dialog]");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (Date.now() - going < 1500) {
      going = 0;
      const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    if (event.key === "g") { going = Date.now(); return; }
    const press = { "?": ".help-button", t: ".theme-button", z: ".zone-button" }[event.key];
    if (press) { event.preventDefault(); document.querySelector(press)?.click(); return; }
    if (event.key === "/") {
      const field = document.querySelector(".search input");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
    }
  });
})();
