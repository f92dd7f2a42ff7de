// What changes its place in the page loses the focus by it: it gets the focus back.
(() => {
  let last = null;
  document.addEventListener("focusin", ({ target }) => { last = target; });
  // Who leaves it does so for good; a place is changed before the next turn of the browser.
  document.addEventListener("focusout", () => setTimeout(() => { if (document.activeElement !== last) last = null; }));
  new MutationObserver((changes) => {
    if (!last || document.activeElement === last) return;
    if (changes.some(({ addedNodes }) => [...addedNodes].some((node) => node.contains(last)))) last.focus({ preventScroll: true });
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
