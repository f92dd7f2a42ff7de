// Quasar puts a box that may have the focus between a list of choices and its choices: those who hear the page would find none.
new MutationObserver(() => {
  for (const box of document.querySelectorAll("[role=listbox] > [tabindex]:not([role])")) box.removeAttribute("tabindex");
}).observe(document.documentElement, { childList: true, subtree: true });
