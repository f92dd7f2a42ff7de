// Charts tell times as the page does: in the zone that it names, whatever the browser's is.
(() => {
  const known = {};
  const parts = (zone) => {
    known[zone] ??= new Intl.DateTimeFormat("en-US", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
      hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
    });
    return (moment) => Object.fromEntries(known[zone].formatToParts(moment).map((part) => [part.type, part.value]));
  };
  window.hmsClock = {
    // A mark on a time axis: `reach` is how many milliseconds the axis covers.
    axis: (zone, reach) => (moment) => {
      const at = parts(zone)(moment);
      if (reach < 240000) return `${at.hour}:${at.minute}:${at.second}`;
      return reach > 129600000 ? `${at.month}-${at.day} ${at.hour}:${at.minute}` : `${at.hour}:${at.minute}`;
    },
    // The heading of a tooltip.
    full: (zone) => ({value}) => {
      const at = parts(zone)(value);
      return `${at.month}-${at.day} ${at.hour}:${at.minute}:${at.second} ${at.timeZoneName}`;
    },
    // A length of time in seconds, by the rule of hms_oms/format.py.
    span: (seconds) => {
      if (seconds === null || seconds === undefined) return "-";
      if (seconds > 0 && seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
      if (seconds < 60) return `${Math.round(seconds * 10) / 10} s`;
      const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds % 60)];
      if (seconds < 3600) return `${minutes} min${rest ? ` ${rest} s` : ""}`;
      if (seconds < 36000 && minutes) return `${hours} h ${minutes} min`;
      return seconds < 172800 ? `${hours} h` : `${Math.floor(seconds / 86400)} d`;
    },
  };
  // The button in the bar: times of the office, or of the reader's own place.
  window.hmsTurnZone = (own) => {
    const zone = own ? Intl.DateTimeFormat().resolvedOptions().timeZone : "";
    document.cookie = `hms_timezone=${encodeURIComponent(zone)};path=${hmsRoot || "/"};samesite=strict;max-age=${own ? 31536000 : 0}`;
    location.reload();
  };
})();
