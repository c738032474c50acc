// A validator elsewhere would be told of this server.
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", validatorUrl: null });
