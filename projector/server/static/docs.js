SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  // A validator elsewhere would be told of this server.
  validatorUrl: null,
  // Each operation shows the schemas that it needs; all of them at once hide the operations.
  defaultModelsExpandDepth: 0,
  // A link to an operation, such as /docs/#/customers/getCustomer, opens it.
  deepLinking: true,
  displayRequestDuration: true,
});
