/** Shows the slug that a project's name will give, until somebody writes one. The server makes it. */

const name = document.querySelector("#id_name");
const slug = document.querySelector("#id_slug");

/** @param {string} text as django.utils.text.slugify has it */
function slugify(text) {
  const plain = text.normalize("NFKD").replace(/[^\w\s-]/g, "").toLowerCase();
  return plain.replace(/[-\s]+/g, "-").replace(/^[-_]+|[-_]+$/g, "").slice(0, 50);
}

if (name instanceof HTMLInputElement && slug instanceof HTMLInputElement) {
  const show = () => {
    slug.placeholder = slugify(name.value);
  };
  name.addEventListener("input", show);
  show();
}
