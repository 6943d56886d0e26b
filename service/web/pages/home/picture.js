// The picture of a video. The site's server learns the address of whoever loads it, so that is for the visitor to say.

const CHOICE = "ytdlpd pictures";
const get = (id) => document.getElementById(id);

let url = "";

const wanted = () => localStorage.getItem(CHOICE) === "yes";

function draw() {
  const image = get("thumbnail");
  get("picture").hidden = !url;
  get("no-picture").hidden = true;
  image.hidden = !url || !wanted();
  get("picture").classList.toggle("none", image.hidden);
  if (image.hidden) image.removeAttribute("src"); else image.src = url;
  if (url) get("pictures").textContent = wanted() ? "Hide pictures" : `Show pictures, here from ${new URL(url).host}`;
}

export function picture(found) {
  url = found?.startsWith("https://") ? found : "";
  draw();
}

get("thumbnail").addEventListener("error", () => {
  get("thumbnail").hidden = true;
  get("no-picture").hidden = false;
  get("picture").classList.add("none");
});
get("pictures").addEventListener("click", () => { localStorage.setItem(CHOICE, wanted() ? "no" : "yes"); draw(); });
