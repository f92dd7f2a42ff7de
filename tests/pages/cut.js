// Texts that are cut off at the side of their box, or that stand on each other.
() => {
  const faults = [];
  const seen = (node) => node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })
    && !node.closest("[aria-hidden=true], canvas, svg, .q-icon, .visually-hidden");
  const words = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    const text = texts.currentNode.data.trim();
    if (!text || node.closest("script, style") || !seen(node)) continue;
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    const boxes = [...range.getClientRects()].filter((box) => box.width > 1 && box.height > 1);
    if (!boxes.length) continue;
    for (let each = node; each && each !== document.body; each = each.parentElement) {
      const { overflowX } = getComputedStyle(each);
      if (overflowX === "visible") continue;
      const outer = each.getBoundingClientRect();
      if (["hidden", "clip"].includes(overflowX) && outer.width > 1 && outer.height > 1
          && boxes.some((box) => box.right > outer.right + 2 || box.left < outer.left - 2)) {
        faults.push(`cut: ${JSON.stringify(text.slice(0, 60))} in ${each.className}`);
      }
      break;
    }
    if (!node.closest(".q-header, .q-dialog, .q-menu, .q-notification, .q-tooltip, .undo")) words.push({ text, node, boxes });
  }
  for (let i = 0; i < words.length; i += 1) {
    for (let j = i + 1; j < words.length; j += 1) {
      const [one, other] = [words[i], words[j]];
      if (one.node === other.node || one.node.contains(other.node) || other.node.contains(one.node)) continue;
      const over = one.boxes.some((a) => other.boxes.some((b) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4));
      if (over) faults.push(`on each other: ${JSON.stringify(one.text.slice(0, 40))}, ${JSON.stringify(other.text.slice(0, 40))}`);
    }
  }
  return [...new Set(faults)];
}
