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
