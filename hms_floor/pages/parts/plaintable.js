// A table whose cells change where they stand: rows keep their place in the page, and so focus and selection.
export default {
  template: `
    <div class="scroll">
      <table class="plain" :aria-label="caption">
        <thead><tr><th v-for="column in columns" :key="column.name" scope="col" :class="column.kind">{{ column.name }}</th></tr></thead>
        <tbody>
          <tr v-for="row in rows" :key="row.key">
            <td v-for="(cell, index) in row.cells" :key="index" :class="columns[index].kind">
              <a v-if="cell.target" :href="cell.target">{{ cell.words }}</a><template v-else>{{ cell }}</template>
            </td>
          </tr>
        </tbody>
      </table>
    </div>`,
  props: { columns: Array, rows: Array, caption: String },
};
