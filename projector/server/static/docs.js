SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  // Swagger UI would otherwise send the address of this server to an external validator.
  validatorUrl: null,
  // Each operation shows the schemas that it needs; a list of all would bury the operations.
  defaultModelsExpandDepth: 0,
  // A link to an operation, such as /docs/#/customers/getCustomer, opens it.
  deepLinking: true,
  displayRequestDuration: true,
});
