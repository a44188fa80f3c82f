output "status" {
  description = "The status of root access at the last deployment that changed it."
  value       = jsondecode(aws_cloudformation_stack.root_access.outputs["RootAccessStatus"])
}
