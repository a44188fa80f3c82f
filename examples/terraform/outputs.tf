output "status" {
  description = "The status of root access at the last deployment that changed it; null for another template."
  value       = try(jsondecode(aws_cloudformation_stack.stack.outputs["RootAccessStatus"]), null)
}

output "outputs" {
  description = "The outputs of the stack."
  value       = aws_cloudformation_stack.stack.outputs
}
