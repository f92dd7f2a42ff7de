// A table whose cells change where they stand: rows keep their place in the page, and so focus and selection.
export default {
  template: `
    <div class="scroll" v-bind="wide ? { tabindex: 0, role: 'group', 'aria-label': caption + ', pushed sideways' } : {}">
      <table class="plain" :aria-label="caption">
        <thead><tr>
          <th v-if="choosable" class="choice">
            <input type="checkbox" aria-label="Choose all that are shown" @change="chooseAll($event.target.checked)"
              :checked="chosen.size > 0 && chosen.size === rows.length"
              :indeterminate="chosen.size > 0 && chosen.size < rows.length">
          </th>
          <th v-for="column in columns" :key="column.name" scope="col" :class="column.kind">{{ column.name }}</th>
        </tr></thead>
        <tbody>
          <tr v-for="row in rows" :key="row.key">
            <td v-if="choosable" class="choice">
              <input type="checkbox" :aria-label="'Choose ' + row.key" :checked="chosen.has(row.key)"
                @change="choose(row.key, $event.target.checked)">
            </td>
            <td v-for="(cell, index) in row.cells" :key="index" :class="columns[index].kind">
              <a v-if="cell.target" :href="cell.target">{{ cell.words }}</a>
              <span v-else-if="cell.look" :class="cell.look">{{ cell.words }}</span>
              <template v-else>{{ cell }}</template>
            </td>
          </tr>
        </tbody>
      </table>
    </div>`,
  props: { columns: Array, rows: Array, caption: String, choosable: Boolean },
  emits: ["choose"],
  data: () => ({ chosen: new Set(), wide: false }),
  // One that is wider than its place is pushed by the arrow keys, too.
  mounted() {
    this.observer = new ResizeObserver(() => { this.wide = this.$el.scrollWidth > this.$el.clientWidth; });
    this.observer.observe(this.$el);
    this.observer.observe(this.$el.firstElementChild);
  },
  unmounted() {
    this.observer.disconnect();
  },
  methods: {
    choose(key, on) {
      on ? this.chosen.add(key) : this.chosen.delete(key);
      this.$emit("choose", [...this.chosen]);
    },
    chooseAll(on) {
      this.chosen = new Set(on ? this.rows.map((row) => row.key) : []);
      this.$emit("choose", [...this.chosen]);
    },
    chooseNone() {
      this.chosen = new Set();
    },
  },
};
