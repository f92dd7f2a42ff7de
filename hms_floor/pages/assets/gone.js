// The word that the connection is gone; and where it was refused because the badge has ended, the way to sign in.
document.addEventListener("DOMContentLoaded", () => {
  const popup = document.getElementById("popup");
  popup.setAttribute("role", "alert");
  popup.replaceChildren("The connection is gone: nothing below is up to date. Trying again ...");
  setInterval(async () => {
    if (popup.getAttribute("aria-hidden") !== "false") return;
    const answer = await fetch(`${hmsRoot}/here`).catch(() => null);
    if (answer?.status === 403) location.assign(`${hmsRoot}/enter?next=${encodeURIComponent(location.pathname.slice(hmsRoot.length) + location.search)}`);
  }, 3000);
});
