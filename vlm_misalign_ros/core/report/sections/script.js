'use strict';
(() => {
  const order = new Intl.Collator('en', { numeric: true }).compare;
  const value = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return '';
    return cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
  };
  const compare = (a, b) => {
    const x = Number(a), y = Number(b);
    if (a !== '' && b !== '' && !Number.isNaN(x) && !Number.isNaN(y)) return x - y;
    return order(a, b);
  };
  const unknown = (text) => text === '' || text === '–';
  const sort = (table, head, column) => {
    const falling = head.getAttribute('aria-sort') === 'ascending';
    for (const other of table.tHead.querySelectorAll('th')) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', falling ? 'descending' : 'ascending');
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [value(row, column), row]);
    rows.sort(([a], [b]) => {
      // What is not known stands last either way.
      if (unknown(a) || unknown(b)) return unknown(a) - unknown(b);
      return falling ? compare(b, a) : compare(a, b);
    });
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll('table[data-sort]')) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => sort(table, head, column));
    });
    if (table.tBodies[0].rows.length < 8) continue;
    const label = document.createElement('label');
    label.className = 'filter';
    const input = document.createElement('input');
    input.type = 'search';
    input.placeholder = 'words, such as low_light clip';
    const told = document.createElement('span');
    told.setAttribute('aria-live', 'polite');
    label.append('Show lines with ', input, told);
    const rows = [...table.tBodies[0].rows];
    input.addEventListener('input', () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        left += !row.hidden;
      }
      told.textContent = words.length ? `${left} of ${rows.length}` : '';
    });
    table.parentElement.before(label);
  }
  const contents = document.querySelector('nav details');
  if (contents && matchMedia('(max-width: 1079px)').matches) contents.open = false;
  addEventListener('beforeprint', () => {
    for (const details of document.querySelectorAll('details:not(.long)')) details.open = true;
  });
})();
