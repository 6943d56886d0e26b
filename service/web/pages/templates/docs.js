// Starts Swagger UI on this service's own OpenAPI document.
const TAGS = ["extraction", "operation", "documentation"]; // as people look for them
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
SwaggerUIBundle({
  url: "openapi",
  dom_id: "#api",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: false,
  persistAuthorization: false,
  tagsSorter: (one, other) => TAGS.indexOf(one) - TAGS.indexOf(other),
  tryItOutEnabled: true,
  validatorUrl: null,
});

// What Swagger UI leaves out for keyboards and screen readers.
const api = document.getElementById("api");
const NAMES = { servers: "Server", SELECT: "Choice", TEXTAREA: "Body of the request" };
new MutationObserver(() => {
  for (const link of api.querySelectorAll("button a[href]")) link.removeAttribute("href"); // the button around it opens
  for (const field of api.querySelectorAll("select:not([aria-label]), textarea:not([aria-label])")) field.setAttribute("aria-label", NAMES[field.id] ?? NAMES[field.tagName]);
  for (const text of api.querySelectorAll("pre:not([tabindex])")) text.tabIndex = 0; // it may scroll
}).observe(api, { childList: true, subtree: true });
