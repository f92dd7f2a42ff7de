// The state of the floor in the icon of the page; and a notification with a sound when it turns worse, if that was asked for here.
(() => {
  const looks = {
    broken: ["#9d1c15", "#ffffff"], risk: ["#ffb52e", "#231500"], unknown: ["#4a5560", "#ffffff"],
    paused: ["#4a5560", "#ffffff"], holds: ["#146c3f", "#ffffff"], idle: ["#146c3f", "#ffffff"],
  };
  const shapes = {
    broken: (pen) => pen.fillRect(18, 18, 28, 28),
    risk: (pen) => { pen.moveTo(32, 13); pen.lineTo(53, 49); pen.lineTo(11, 49); pen.fill(); },
    holds: (pen) => { pen.arc(32, 32, 17, 0, 7); pen.fill(); },
    idle: (pen) => { pen.arc(32, 32, 14, 0, 7); pen.lineWidth = 7; pen.stroke(); },
    paused: (pen) => { pen.fillRect(18, 16, 10, 32); pen.fillRect(36, 16, 10, 32); },
    unknown: (pen) => { pen.font = "bold 46px sans-serif"; pen.textAlign = "center"; pen.fillText("?", 32, 49); },
  };
  const icon = (light) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 64;
    const pen = canvas.getContext("2d");
    const [back, front] = looks[light];
    pen.fillStyle = back;
    pen.roundRect(0, 0, 64, 64, 12);
    pen.fill();
    pen.beginPath();
    pen.fillStyle = pen.strokeStyle = front;
    shapes[light](pen);
    return canvas.toDataURL();
  };
  // Two tones up for Late, one for At risk.
  const ring = (light) => {
    const audio = new AudioContext();
    (light === "broken" ? [660, 880, 660, 880] : [660]).forEach((pitch, place) => {
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      const start = audio.currentTime + 0.25 * place;
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.25, start);
      volume.gain.exponentialRampToValueAtTime(0.001, start + 0.24);
      tone.connect(volume).connect(audio.destination);
      tone.start(start);
      tone.stop(start + 0.25);
      if (place === 0) setTimeout(() => audio.close(), 3000);
    });
  };
  const able = "Notification" in window;
  const on = () => able && Notification.permission === "granted" && localStorage.hmsNotices === "on";
  const show = () => {
    const button = document.querySelector(".notices");
    if (!button) return;
    button.setAttribute("aria-pressed", String(on()));
    const mark = button.querySelector(".q-icon");
    if (mark) mark.textContent = on() ? "notifications_active" : "notifications_off";
  };
  window.hmsNotices = {
    turn: async () => {
      if (on()) delete localStorage.hmsNotices;
      else if (!able || await Notification.requestPermission() !== "granted") {
        Quasar.Notify.create({ type: "warning", position: "top", message: "This browser does not allow notifications from here." });
      } else {
        localStorage.hmsNotices = "on";
        ring("risk");
      }
      show();
    },
  };
  // What cannot be told is no turn: what was known before counts. A page that reads itself again remembers it.
  const rank = { idle: 0, holds: 0, paused: 0, risk: 1, broken: 2 };
  window.hmsState = (light, word, sentence) => {
    const link = document.querySelector("link[rel~=icon]");
    link.type = "image/png";
    link.href = icon(light);
    show();
    if (!(light in rank)) return;
    const before = sessionStorage.hmsLight;
    sessionStorage.hmsLight = light;
    if (before === undefined || rank[light] <= rank[before] || !on()) return;
    new Notification(word, { body: sentence, icon: icon(light), tag: "hms-state", renotify: true });
    ring(light);
  };
})();
