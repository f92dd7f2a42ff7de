// The window of time of a page stands in its address, and all its charts have it: a change of it is a step that the back button takes back.
(() => {
  const GROUP = "window";
  const go = (query, state) => {
    if (`?${query}` === location.search) return;
    history.pushState(state, "", `?${query}`);
    emitEvent("hms_window", query);
  };
  window.hmsWindow = (query) => go(query, {});
  // A link to another window of the same page; with a key held down it opens a page of its own, as any link.
  window.hmsFollow = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(new URL(event.currentTarget.href).search.slice(1), {});
  };
  addEventListener("popstate", () => emitEvent("hms_window", location.search.slice(1)));
  const written = (moment) => `${new Date(moment).toISOString().slice(0, 19)}Z`;
  const zoom = ({ areas }) => {
    if (!areas.length) return;
    const [since, until] = areas[0].coordRange;
    const query = new URLSearchParams(location.search);
    query.delete("window");
    query.set("from", written(since));
    query.set("to", written(until));
    go(query.toString().replaceAll("%3A", ":"), { zoomed: true });
  };
  // What is pointed at, and the range that is drawn, are the same in all charts of the window.
  window.hmsLink = async (id) => {
    const { echarts } = await import("nicegui-echart");
    const element = getElement(id);
    while (element && !element.chart) await new Promise((resolve) => setTimeout(resolve, 20));
    const chart = element?.chart;
    if (!chart) return;
    if (chart.group !== GROUP) {
      chart.group = GROUP;
      echarts.connect(GROUP);
      chart.on("brushEnd", (event) => {
        zoom(event);
        if (event.areas.length) chart.dispatchAction({ type: "brush", areas: [] });
      });
      chart.getDom().addEventListener("dblclick", () => { if (history.state?.zoomed) history.back(); });
    }
    if (!matchMedia("(pointer: fine)").matches) return;
    chart.dispatchAction({ type: "takeGlobalCursor", key: "brush", brushOption: { brushType: "lineX", brushMode: "single" } });
  };
})();
